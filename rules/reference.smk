"""Once: the data, the reference model and its detector."""


rule fetch_dataset:
    input:
        "params.yaml",
    output:
        multiext("data/raw/", "images.npy", "labels.npy", "meta.json"),
    log:
        "logs/fetch_dataset.log",
    localrule: True
    container:
        image("data")
    params:
        overrides=overrides,
    message:
        "Fetching the dataset"
    shell:
        "driftloop fetch-dataset --log {log} {params.overrides}"


rule split_dataset:
    input:
        "params.yaml",
        "data/raw/meta.json",
    output:
        expand(
            "data/splits/{split}/{file}",
            split=["train", "calibration", "test", "production"],
            file=["images.npy", "labels.npy", "meta.json"],
        ),
    log:
        "logs/split_dataset.log",
    container:
        image("data")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "Splitting the dataset"
    shell:
        "driftloop split-dataset --log {log} {params.overrides}"


rule train_model:
    input:
        "params.yaml",
        "data/splits/train/meta.json",
        "data/splits/test/meta.json",
    output:
        "models/reference/model.json",
        "models/reference/model.safetensors",
        "models/reference/lineage.json",
        "results/reference/training.json",
    log:
        "logs/train_model.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "Training the reference model"
    shell:
        "driftloop train-model --log {log} {params.overrides}"


rule fit_detector:
    input:
        "params.yaml",
        "models/reference/model.json",
        "data/splits/train/meta.json",
        "data/splits/calibration/meta.json",
    output:
        "models/reference/detector.json",
        "models/reference/detector.safetensors",
    log:
        "logs/fit_detector.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=fitting_memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "Fitting the detector to the reference model"
    shell:
        "driftloop fit-detector --log {log} {params.overrides}"
