"""A person decides. The verdict is disposable; the decision is in the ledger, which no rule makes."""


checkpoint review_window:
    input:
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
        # Whoever wants people to decide is not served with what a simulated reviewer said.
        reviewer=PARAMS["review"]["reviewer"],
        overrides=overrides,
    message:
        "{wildcards.window}: reviewing"
    shell:
        "driftloop review {wildcards.window} --verdict {output} --log {log} {params.overrides}"
