"""What came of it: true scores where the window was simulated, the summary, the report."""


rule score_window:
    input:
        "params.yaml",
        "answers/{window}/answers.json",
        "results/{window}/verdict.json",
        "results/{window}/predictions/population.npy",
        evaluation,
        incumbent("model.json"),  # last, as in promote_model
    output:
        "results/{window}/score.json",
    log:
        "logs/{window}/score_window.log",
    container:
        image("review")
    params:
        overrides=overrides,
    message:
        "{wildcards.window}: scoring against the true labels"
    shell:
        "driftloop score-window {wildcards.window} --log {log} {params.overrides}"


rule summarize_run:
    input:
        "params.yaml",
        last_of_each,
    output:
        "results/summary.json",
        "results/metrics.json",
    log:
        "logs/summarize_run.log",
    container:
        image("review")
    params:
        overrides=overrides,
    message:
        "Summing up the stream"
    shell:
        "driftloop summarize-run --log {log} {params.overrides}"


rule render_report:
    input:
        "params.yaml",
        "results/summary.json",
        "results/reference/training.json",
    output:
        "results/report.html",
    log:
        "logs/render_report.log",
    container:
        image("review")
    params:
        overrides=overrides,
    message:
        "Writing the report"
    shell:
        "driftloop render-report --log {log} {params.overrides}"
