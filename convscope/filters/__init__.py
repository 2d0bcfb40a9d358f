"""Filter patterns: the input image that makes a filter respond most, found by gradient ascent in input space.

The objective, the parameterisation of the image and the step rule are separate modules; a preset is a combination.
"""
