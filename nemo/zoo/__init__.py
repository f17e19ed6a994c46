"""Networks from elsewhere: of torchvision, timm and the hub, your own, and weights that they were trained to."""
