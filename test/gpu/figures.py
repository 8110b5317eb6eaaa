"""Order statistics that the parts of the benchmark share."""


def quantile(values, q):
    """None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


def interval(values, q):
    """95 % confidence of a quantile, from the order of the values alone."""
    ordered, count = sorted(values), len(values)
    reach = 1.96 * (count * q * (1 - q)) ** 0.5
    return [ordered[min(count - 1, max(0, round(count * q + side)))] for side in (-reach, reach)]
