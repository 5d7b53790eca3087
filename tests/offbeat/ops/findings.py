"""The doctor's findings, by their names."""


def levels(findings):
    return {each.name: each.level.word for each in findings}


def found(findings, name):
    (one,) = [each for each in findings if each.name == name]
    return one
