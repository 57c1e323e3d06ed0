"""What came of it: true scores where the window was simulated, the summary, the report."""

from types import SimpleNamespace


def in_stream(question):
    """The files that answer a question about a window, for all windows of the stream."""

    def files(_):
        answers = [
            question(SimpleNamespace(window=window)) for window in PARAMS["stream"]
        ]
        return [
            file
            for answer in answers
            for file in ([answer] if isinstance(answer, str) else answer)
        ]

    return files


rule score_window:
    input:
        "answers/{window}/answers.json",
        "answers/{window}/population/meta.json",
        "results/{window}/verdict.json",
        incumbent("model.json"),
        evaluation,
        candidates,
    output:
        "results/{window}/score.json",
        "results/{window}/strip.npy",
    log:
        "logs/{window}/score_window.log",
    container:
        image("torch")
    threads: workflow.cores
    params:
        parameters_of("score-window"),
    message:
        "{wildcards.window}: scoring against the true labels"
    shell:
        "driftloop score-window {wildcards.window} --log {log} {OVERRIDES}"


rule summarize_run:
    input:
        expand(
            "results/{window}/{file}",
            window=PARAMS["stream"],
            file=["drift.json", "samples.csv", "verdict.json", "score.json"],
        ),
        expand("data/windows/{window}/meta.json", window=PARAMS["stream"]),
        expand("models/{owner}/lineage.json", owner=["reference", *PARAMS["stream"]]),
        in_stream(ledger),
        in_stream(evaluation),
    output:
        "results/summary.json",
    log:
        "logs/summarize_run.log",
    container:
        image("review")
    params:
        parameters_of("summarize-run"),
    message:
        "Summing up the stream"
    shell:
        "driftloop summarize-run --log {log} {OVERRIDES}"


rule render_report:
    input:
        "results/summary.json",
        "results/reference/training.json",
        expand(
            "results/{window}/{file}",
            window=PARAMS["stream"],
            file=[
                "drift.json",
                "samples.csv",
                "verdict.json",
                "score.json",
                "strip.npy",
            ],
        ),
        expand("data/windows/{window}/meta.json", window=PARAMS["stream"]),
        expand("models/{owner}/lineage.json", owner=["reference", *PARAMS["stream"]]),
        in_stream(ledger),
        in_stream(evaluation),
    output:
        "results/report.html",
    log:
        "logs/render_report.log",
    container:
        image("review")
    params:
        parameters_of("render-report"),
    message:
        "Writing the report"
    shell:
        "driftloop render-report --log {log} {OVERRIDES}"
