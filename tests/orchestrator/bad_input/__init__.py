"""A corpus of what users can get wrong; `test_corpus.py` holds each entry against its sentence."""
