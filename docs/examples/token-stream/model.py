"""A stand-in for a language model: from a prompt and what it has said already it makes the next tokens.

A real one is asked the same way: what was said before goes into the request as the beginning of the answer, and it goes on from
there. This one says the same for the same prompt each time, so that a test can tell whether a token is missing.
"""

import random
import time

WORDS = ("the tide comes in and writes on the sand what the moon has told it then goes out and the sand keeps every word in "
         "order until the next one 潮 is at the end 🌊").split()


def next_tokens(prompt, said, count, delay_s):
    """Yields the tokens that follow `said`, `count` of them in all with those, each after about `delay_s` of thinking."""
    chance = random.Random(prompt)
    for number in range(count):
        token = chance.choice(WORDS) + chance.choice([" ", " ", " ", ", ", ".\n"])
        pause = delay_s * chance.uniform(0.5, 1.5)
        if number >= len(said):
            time.sleep(pause)
            yield token
