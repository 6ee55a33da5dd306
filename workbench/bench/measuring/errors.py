"""The one exception of measuring."""


class MeasuringError(Exception):
    """What was to be measured cannot be, or did not answer as it should; the message is a sentence for the user."""
