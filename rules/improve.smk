"""What the reviewer decided: candidates, their evaluation against the incumbent, and promotion."""


rule retrain_model:
    input:
        "params.yaml",
        "results/{window}/verdict.json",
        "data/windows/{window}/meta.json",
        "data/splits/train/meta.json",
        incumbent("model.json"),
        incumbent("lineage.json"),
    output:
        "results/{window}/candidates/retrain/model.json",
        "results/{window}/candidates/retrain/model.safetensors",
        "results/{window}/candidates/retrain/imitation.json",
        "results/{window}/candidates/retrain/learnt.json",
    log:
        "logs/{window}/retrain_model.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: retraining"
    shell:
        "driftloop retrain-model {wildcards.window} --log {log} {params.overrides}"


rule train_filter:
    input:
        "params.yaml",
        "results/{window}/verdict.json",
        "data/windows/{window}/meta.json",
        "data/splits/train/meta.json",
        "data/splits/calibration/meta.json",
        incumbent("model.json"),
        incumbent("lineage.json"),
    output:
        "results/{window}/candidates/filter/model.json",
        "results/{window}/candidates/filter/model.safetensors",
        "results/{window}/candidates/filter/imitation.json",
        "results/{window}/candidates/filter/learnt.json",
        "results/{window}/candidates/filter/previews.safetensors",
    log:
        "logs/{window}/train_filter.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: training a filter"
    shell:
        "driftloop train-filter {wildcards.window} --log {log} {params.overrides}"


rule retrain_filtered:
    input:
        "params.yaml",
        "results/{window}/verdict.json",
        "results/{window}/candidates/filter/model.json",
        "results/{window}/candidates/filter/imitation.json",
        "data/windows/{window}/meta.json",
        "data/splits/train/meta.json",
        incumbent("model.json"),
        incumbent("lineage.json"),
    output:
        "results/{window}/candidates/retrain_filtered/model.json",
        "results/{window}/candidates/retrain_filtered/model.safetensors",
        "results/{window}/candidates/retrain_filtered/imitation.json",
        "results/{window}/candidates/retrain_filtered/learnt.json",
    log:
        "logs/{window}/retrain_filtered.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: retraining behind the filter"
    shell:
        "driftloop retrain-filtered {wildcards.window} --log {log} {params.overrides}"


rule evaluate_candidates:
    input:
        "params.yaml",
        ledger,
        "results/{window}/verdict.json",
        "data/windows/{window}/meta.json",
        "data/populations/{window}/meta.json",
        "data/splits/test/meta.json",
        incumbent("model.json"),
        incumbent("lineage.json"),
        candidates,
    output:
        "results/{window}/evaluation.json",
        "results/{window}/population.npy",
        "results/{window}/strip.npy",
    log:
        "logs/{window}/evaluate_candidates.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: evaluating the candidates against the incumbent"
    shell:
        "driftloop evaluate-candidates {wildcards.window} --log {log} {params.overrides}"


# What waits for a review comes before the other functions: Snakemake remembers of the last one alone whether
# it waited, and after each review plans every job anew that did. In a long stream those are hundreds.
rule promote_model:
    input:
        "params.yaml",
        "results/{window}/verdict.json",
        "data/windows/{window}/meta.json",
        "data/splits/train/meta.json",
        "data/splits/calibration/meta.json",
        evaluation,
        candidates,
        incumbent("model.json"),
        incumbent("detector.json"),
        incumbent("lineage.json"),
    output:
        "models/{window}/model.json",
        "models/{window}/model.safetensors",
        "models/{window}/detector.json",
        "models/{window}/detector.safetensors",
        "models/{window}/lineage.json",
    log:
        "logs/{window}/promote_model.log",
    container:
        image("torch")
    threads: TORCH_THREADS
    resources:
        mem_mb=fitting_memory,
        runtime=minutes,
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: what stays in production"
    shell:
        "driftloop promote-model {wildcards.window} --log {log} {params.overrides}"
