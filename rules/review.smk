"""A person decides. The verdict is disposable; the decision is in the ledger, which no rule makes."""


checkpoint review_window:
    input:
        "params.yaml",
        "results/{window}/drift.json",
        "results/{window}/samples.csv",
        "results/{window}/previews.safetensors",
        "data/windows/{window}/meta.json",
        ledger,
    output:
        "results/{window}/verdict.json",
    log:
        "logs/{window}/review_window.log",
    localrule: True
    handover: True
    container:
        image("review")
    params:
        overrides=OVERRIDES,
    message:
        "{wildcards.window}: reviewing"
    shell:
        "driftloop review {wildcards.window} --verdict {output} --log {log} {params.overrides}"
