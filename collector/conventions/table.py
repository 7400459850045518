"""The conventions that are understood. A new one is a file beside this one, a line here and a folder of recordings.

The order decides where a span follows more than one: the first tells what it is, the others fill what it left out.
"""

from collector.conventions import genai, openinference, openllmetry

CONVENTIONS = (openinference.CONVENTION, openllmetry.CONVENTION, genai.CONVENTION)
