"""Tasks turn a request into model inputs and model outputs into answers; one module each."""
