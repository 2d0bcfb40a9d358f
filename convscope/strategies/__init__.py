"""What a model goes by, over many pictures: heatmaps that look alike are put together (SpRAy, Lapuschkin et al. 2019, 1902.10178)."""
