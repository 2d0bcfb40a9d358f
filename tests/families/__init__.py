"""Every family of image classifiers of Keras through the library: what is true of each is measured, and put into docs/models.md."""
