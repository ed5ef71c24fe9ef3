"""What a network and a head see: arrays and figures, of which `reports.looks` makes pictures.

Gradients are computed by TensorFlow, through the network and the head, in `network`; what needs
none goes through a predictor, and so through every engine.
"""
