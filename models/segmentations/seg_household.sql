{{ segmentation() }}
