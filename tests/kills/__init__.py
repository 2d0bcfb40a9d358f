"""A study that is killed again and again: the rounds (`kill`), a study of every kind of work (`study`), `make test-kills`."""
