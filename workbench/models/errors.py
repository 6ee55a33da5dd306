"""What goes wrong with a model, as a sentence for the person who has to act."""


class ModelError(Exception):
    """A model that cannot be prepared, listed or verified. The message says what was found and what to do."""
