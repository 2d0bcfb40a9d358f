"""Networks of every origin in one form: loaded, built or trained, taken apart into layers and put together again."""
