"""What came of a run: the summary, the state of the stream, the report."""
