"""What the image of a role is made from, what was built, and whether it still fits.

A role is a lock in `envs/`: its packages, and driftloop itself. One more image, `predict`, is torch's with a
model inside. The digest of everything that goes into an image (recipe, lock, package, build arguments) is
kept in the image and beside its SIF file.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from driftloop import __version__
from driftloop.errors import ImageError
from driftloop.files import digest_file, digest_json, read_json, write_json

FOLDER = Path("images")
DEFAULT_BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
PREDICT = "predict"
_RECIPE = Path("containers/Dockerfile")
_NO_ROLES = ("dev", "docs", "build", "cuda")  # locks that are no role's
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Arguments:
    """What a person may choose about a build.

    Attributes:
        base_image: an image with Python, pip and venv; for Apptainer also the path of a SIF file.
        torch: where the wheel of torch comes from: "default" (pip's own settings), the name of one of
            PyTorch's builds ("cpu", "cu130"), the URL of an index, or a folder.
        model: the model folder that goes into the image `predict`.
    """

    base_image: str = DEFAULT_BASE
    torch: str = "default"
    model: Path | None = None


@dataclass(frozen=True)
class Image:
    """What is known of a built image. Kept beside its SIF file as JSON.

    Attributes:
        inputs: digest of everything that it was made from.
        sha256: digest of the SIF file.
        size: of the SIF file, in bytes.
    """

    role: str
    inputs: str
    arguments: dict[str, str]
    version: str
    revision: str
    engine: str
    architecture: str
    sha256: str
    size: int


def roles(root: Path) -> list[str]:
    """Return the roles that have a lock, in alphabetical order.

    Raises:
        ImageError: there is no recipe here.
    """
    found = sorted(path.stem for path in (root / "envs").glob("*.lock") if path.stem not in _NO_ROLES)
    if not found or not (root / _RECIPE).exists():
        raise ImageError(
            f"{root.absolute()} has no containers/ and envs/. Run it in driftloop's own repository, and link "
            "its images/ into a project elsewhere; `images build predict` takes that one's model by --model."
        )
    return found


def check_role(root: Path, role: str) -> None:
    """Refuse a role that has no lock.

    Raises:
        ImageError: there is no such role.
    """
    known = [*roles(root), PREDICT]
    if role not in known:
        raise ImageError(f"There is no image {role!r}. There are: {', '.join(known)}.")


def lock(root: Path, role: str) -> Path:
    """Return the file with the pinned packages of a role."""
    return root / "envs" / f"{'torch' if role == PREDICT else role}.lock"


def uses_torch(root: Path, role: str) -> bool:
    """Whether torch is among the packages of a role."""
    return re.search(r"^torch==", lock(root, role).read_text(encoding="utf-8"), re.MULTILINE) is not None


def sif(root: Path, role: str) -> Path:
    """Return where the SIF file of a role lies."""
    return root / FOLDER / f"{role}.sif"


def record(root: Path, role: str) -> Path:
    """Return where it is written what the SIF file of a role is."""
    return root / FOLDER / f"{role}.json"


def build_arguments(root: Path, role: str, arguments: Arguments) -> dict[str, str]:
    """Return the arguments that matter to a role, with a digest of the model for `predict`.

    Raises:
        ImageError: there is no model.
    """
    chosen = {"base_image": arguments.base_image}
    if uses_torch(root, role):
        chosen["torch"] = arguments.torch
    if role == PREDICT:
        manifest = (arguments.model or Path()) / "model.json"
        if not manifest.exists():
            raise ImageError(
                f"There is no model {manifest} for the image {role!r}. Run the pipeline, or give --model."
            )
        chosen["model"] = digest_file(manifest)
    return chosen


def inputs(root: Path, role: str, arguments: dict[str, str]) -> str:
    """Return the digest of everything that goes into a role's image."""
    package = root / "workflow/driftloop"
    files = [lock(root, role), root / "pyproject.toml", *(root / "containers").iterdir()]
    files += [root / "envs/build.lock", *([root / "envs/cuda.lock"] if uses_torch(root, role) else [])]
    files += [path for path in package.rglob("*") if "__pycache__" not in path.parts]
    digests = {str(path.relative_to(root)): digest_file(path) for path in files if path.is_file()}
    return digest_json({"files": digests, "arguments": arguments})


def find_image(root: Path, role: str) -> Image | None:
    """Return what was built for a role, or None when there is no SIF file with its record."""
    if not (sif(root, role).exists() and record(root, role).exists()):
        return None
    try:
        return Image(**read_json(record(root, role)))
    except TypeError as error:
        raise ImageError(
            f"{record(root, role)} is not an image's record. Run: driftloop images build {role}"
        ) from error


def is_current(root: Path, image: Image, arguments: dict[str, str] | None = None) -> bool:
    """Whether an image would come out the same now, with its own arguments or with those given."""
    wanted = image.arguments if arguments is None else arguments
    return image.inputs == inputs(root, image.role, wanted)


def save_image(root: Path, role: str, facts: dict[str, Any], engine: str) -> Image:
    """Write down what a new SIF file is."""
    path = sif(root, role)
    image = Image(
        **facts,
        engine=engine,
        architecture=host_architecture(),
        sha256=digest_file(path),
        size=path.stat().st_size,
    )
    write_json(record(root, role), asdict(image))
    return image


def facts(root: Path, role: str, arguments: Arguments) -> dict[str, Any]:
    """Return what an image says of itself: role, inputs, build arguments, version and Git revision."""
    chosen = build_arguments(root, role, arguments)
    return {
        "role": role,
        "inputs": inputs(root, role, chosen),
        "arguments": chosen,
        "version": __version__,
        "revision": revision(root),
    }


def require_image(role: str, root: Path = Path()) -> Path:
    """Return a role's SIF file, for a rule to run in.

    Raises:
        ImageError: it was not built, or for machines of another kind, or from other sources than lie here.
    """
    image = find_image(root, role)
    if image is None:
        raise ImageError(f"The image {sif(root, role)} is not there. Run: driftloop images build")
    if image.architecture != host_architecture():
        raise ImageError(
            f"{sif(root, role)} is an image for {image.architecture}, this machine is {host_architecture()}. "
            f"Build it here, or on a machine like this one: driftloop images build {role}"
        )
    if (root / _RECIPE).exists() and not is_current(root, image):
        raise ImageError(
            f"{sif(root, role)} was made from other sources than are here. Run: driftloop images build"
        )
    return sif(root, role)


def current_image() -> dict[str, Any] | None:
    """Return what the image that this process runs in says of itself. None on the host.

    Returns:
        `role`, `inputs` (the digest of everything that it was made from), `arguments`, `version` and
        `revision`; and `sha256`, the SIF file's own digest, None where its record cannot be seen from
        inside, as in Docker.
    """
    note = Path(sys.prefix) / "image.json"
    if not note.exists():
        return None
    said = read_json(note)
    kept = Path(os.environ.get("APPTAINER_CONTAINER", "none.sif")).with_suffix(".json")
    beside = read_json(kept) if kept.is_file() else {}
    return {**said, "sha256": beside["sha256"] if beside.get("inputs") == said["inputs"] else None}


def rules(root: Path) -> dict[str, str]:
    """Return the role that each rule of the workflow runs in: {rule: role}."""
    found = {}
    for path in sorted((root / "rules").glob("*.smk")):
        for block in re.split(
            r"^(?=(?:rule|checkpoint)\s)", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        ):
            match = re.match(r"(?:rule|checkpoint)\s+(\w+):.*?image\(\"(\w+)\"\)", block, re.DOTALL)
            if match:
                found[match[1]] = match[2]
    return found


def host_architecture() -> str:
    """Return this machine's architecture in the words of images: amd64, arm64."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def revision(root: Path) -> str:
    """Return the Git revision of a folder, or `unknown`."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
