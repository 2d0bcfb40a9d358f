"""What a picture holds, place by place: masks by name, for network dissection (Bau et al. 2017, 1704.05796)."""
