"""Pictures of video prediction: a PNG strip of a clip over time, a GIF of several clips, a sheet for a player.

The border of a frame shows its role: green for context frames, red for predicted frames, grey for the true future.
"""

from svg_tf.visualization.drawing import Row
from svg_tf.visualization.image_files import remove_others, write_gif, write_png
from svg_tf.visualization.pictures import Sheet, animation, sheet, strip

__all__ = ["Row", "Sheet", "animation", "remove_others", "sheet", "strip", "write_gif", "write_png"]
