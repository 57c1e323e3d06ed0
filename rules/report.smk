"""What came of it: true scores where the window was simulated, the summary, the report."""


rule score_window:
    input:
        "answers/{window}/answers.json",
        incumbent("model.json"),
        evaluation,
        candidates,
    output:
        "results/{window}/score.json",
    params:
        parameters_of("score-window"),
    log:
        "logs/{window}/score_window.log",
    threads: workflow.cores
    container:
        image("torch")
    message:
        "{wildcards.window}: scoring against the true labels"
    shell:
        "driftloop score-window {wildcards.window} --log {log} {OVERRIDES}"


rule summarize_run:
    input:
        expand(
            "results/{window}/{file}",
            window=PARAMS["stream"],
            file=["drift.json", "verdict.json", "score.json"],
        ),
        expand("models/{window}/lineage.json", window=PARAMS["stream"]),
    output:
        "results/summary.json",
    params:
        parameters_of("summarize-run"),
    log:
        "logs/summarize_run.log",
    container:
        image("review")
    message:
        "Summing up the stream"
    shell:
        "driftloop summarize-run --log {log} {OVERRIDES}"


rule render_report:
    input:
        "results/summary.json",
    output:
        "results/report.html",
    params:
        parameters_of("render-report"),
    log:
        "logs/render_report.log",
    container:
        image("review")
    message:
        "Writing the report"
    shell:
        "driftloop render-report --log {log} {OVERRIDES}"
