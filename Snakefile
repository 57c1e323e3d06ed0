# driftloop's workflow: a table of contents. Parameters are in params.yaml, the steps in rules/.
from snakemake.utils import min_version

min_version("9.0")


configfile: "params.yaml"


include: "rules/common.smk"
include: "rules/review.smk"


# From here on products stay in place while their step looks whether they still hold.
outputflags:
    update,


include: "rules/reference.smk"
include: "rules/check.smk"
include: "rules/improve.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        ["results/summary.json", "results/report.html"]
        if PARAMS["stream"]
        else "models/reference/detector.json",


onerror:
    shell("driftloop status --report {OVERRIDES} >&2")
