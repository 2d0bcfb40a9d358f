"""What Keras computes with: TensorFlow, JAX or PyTorch; a file for each says how it compiles and how it differentiates."""
