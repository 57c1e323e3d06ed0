"""Each window: make it (or take it in), predict, check it for drift."""


# So many jobs share the scoring of a large window, with the same result: `snakemake --set-scatter check=4`.
scattergather:
    check=1,


rule make_window:
    input:
        "params.yaml",
        "data/splits/production/meta.json",
    output:
        "data/windows/{window}/images.npy",
        "data/windows/{window}/meta.json",
        "data/populations/{window}/images.npy",
        "data/populations/{window}/meta.json",
        "answers/{window}/answers.json",
    log:
        "logs/{window}/make_window.log",
    wildcard_constraints:
        window=any_of(SIMULATED),
    container:
        image("data")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: drawing the window from the production pool"
    shell:
        "driftloop make-window {wildcards.window} --log {log} {params.overrides}"


rule take_window:
    input:
        "params.yaml",
        "data/splits/train/meta.json",
    output:
        "data/windows/{window}/images.npy",
        "data/windows/{window}/meta.json",
        "data/windows/{window}/origins.csv",
        "data/populations/{window}/meta.json",
    log:
        "logs/{window}/take_window.log",
    wildcard_constraints:
        window=any_of(ARRIVED),
    container:
        image("data")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: taking the window in from the inbox"
    shell:
        "driftloop take-window {wildcards.window} --log {log} {params.overrides}"


rule predict_window:
    input:
        "params.yaml",
        "data/windows/{window}/meta.json",
        "data/populations/{window}/meta.json",
        incumbent("model.json"),
    output:
        "results/{window}/predictions/population.npy",
        "results/{window}/predictions/logits.npy",
        "results/{window}/predictions/embeddings.npy",
        "results/{window}/predictions/predictions.json",
    log:
        "logs/{window}/predict_window.log",
    container:
        image("torch")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: predicting with the incumbent"
    shell:
        "driftloop predict-window {wildcards.window} --log {log} {params.overrides}"


rule score_part:
    input:
        "params.yaml",
        "data/windows/{window}/meta.json",
        "results/{window}/predictions/predictions.json",
        incumbent("detector.json"),
    output:
        temp("results/{window}/parts/{scatteritem}.safetensors"),
    log:
        "logs/{window}/score_part/{scatteritem}.log",
    container:
        # The review's would do for our detectors, not for one of somebody's own that is made of torch.
        image("torch")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: scoring part {wildcards.scatteritem}"
    shell:
        "driftloop score-part {wildcards.window} {wildcards.scatteritem} --log {log} {params.overrides}"


rule check_window:
    input:
        "params.yaml",
        "data/windows/{window}/meta.json",
        "results/{window}/predictions/predictions.json",
        "data/splits/train/meta.json",
        incumbent("detector.json"),
        carried,
        parts,
    output:
        "results/{window}/drift.json",
        "results/{window}/samples.csv",
        "results/{window}/previews.safetensors",
        "results/{window}/stream.json",
    log:
        "logs/{window}/check_window.log",
    group:
        check_group
    container:
        image("torch")
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        parts=gathered,
        overrides=overrides,
    message:
        "{wildcards.window}: checking for drift"
    shell:
        "driftloop check-window {wildcards.window} {params.parts} --log {log} {params.overrides}"
