"""What the deployed Worker says of its ring, for the step to decide by."""

from portcullis.deployed import NoAnswerError, read_edge
from portcullis.ring import ReadBack


def read_back(gateway_url: str) -> tuple[ReadBack | None, str]:
    """Return what the Worker at `gateway_url` holds, or why it could not be asked; neither where there is no URL.

    Only the Worker is asked, since that needs no credentials: it is given a ring after Apigee was given the ring's
    keys, so a Worker that is up to date tells of both. Nothing is changed by asking, so a preview may.
    """
    if not gateway_url:
        return None, ""
    try:
        report = read_edge(gateway_url)
    except NoAnswerError as problem:
        return None, f"the ring of the deployed Worker could not be read: {problem}"
    return ReadBack(report.seq, frozenset(report.kids)), ""
