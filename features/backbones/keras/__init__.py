"""Networks of Keras: those of `keras.applications`, and those in files of somebody's own."""
