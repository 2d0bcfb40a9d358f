"""What every kind of drawn picture is made with: curves, places, light and camera, masks, whole datasets."""
