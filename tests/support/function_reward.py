"""A reward function as a user would write it: the words of the answer that the demonstration has, too."""


def reward(prompts, completions, completion, **columns):
    assert len(prompts) == len(completions) == len(completion)
    return [len(set(text.split()) & set(due.split())) / 3 for text, due in zip(completions, completion, strict=True)]
