"""Run torchvision's own downloaders: `python -m driftloop.data.torchvision_download NAME FOLDER`.

The last line of the output is the reason when the status is not 0.
"""

from __future__ import annotations

import signal
import socket
import sys
import urllib.error
import urllib.request

# What is asked for first: an answer of any kind means that the mirror can be reached.
MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz"
    ),
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
}
PROBE_SECONDS = 8
STALL_SECONDS = 30


def probe(url: str, seconds: int = PROBE_SECONDS) -> None:
    """Ask for the head of `url`. Raise OSError when nobody answers.

    A name server that stays silent holds a process longer than any timeout of a socket, so an alarm ends
    the whole process. What was printed before is then the reason.
    """
    sys.stdout.write(f"no answer from {url} within {seconds} s\n")
    sys.stdout.flush()
    signal.alarm(seconds)
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 (our own http(s) addresses)
        urllib.request.urlopen(request, timeout=seconds).close()  # noqa: S310
    except urllib.error.HTTPError:
        pass  # refused, but there
    except urllib.error.URLError as error:
        raise OSError(f"{url} cannot be reached ({error.reason})") from error
    finally:
        signal.alarm(0)


def download(name: str, folder: str) -> None:
    """Download a dataset's published files below `folder`."""
    probe(MIRRORS[name])
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise ImportError(f"torchvision does not fit the torch that is installed ({error})") from error
    if name == "cifar10":
        # torchvision's CIFAR10 class reads the pickled version. The binary one holds the same images.
        datasets.utils.download_url(MIRRORS[name], folder)
    else:
        {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}[name](folder, download=True)


def main() -> None:
    """Download, and say in one line what went wrong."""
    try:
        download(*sys.argv[1:])
    except Exception as error:  # whatever torchvision or the network raises: the next source follows
        sys.exit(" ".join(str(error).split()) or repr(error))


if __name__ == "__main__":
    main()
