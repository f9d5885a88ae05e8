"""Images decoded once to a folder of a machine, and read there by every process that needs them."""

from trainer.data.decoded.cache import decoded_images
from trainer.data.decoded.encoding import Format
from trainer.data.decoded.reading import StoredImages

__all__ = ["Format", "StoredImages", "decoded_images"]
