"""Which sub-generator owns a label id: a local class is not a label class.

By default every id that does not mean void owns one. The authors' released networks differ: void
ids own one like any other, and in ADE20K all ids behind the first 51 share the last of 52, which
takes no part in the classification (spec, section 4).
"""

from dataclasses import dataclass

from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError


@dataclass(frozen=True)
class LocalClasses:
    """The sub-generators of a network.

    Attributes:
        table: for every label id the sub-generator that owns its pixels, `count` where none does.
        count: K, the number of sub-generators.
        classified: the first so many of them stand for one class each and are classified.
    """

    table: tuple[int, ...]
    count: int
    classified: int


def local_classes(classes: ClassTable, count: int = 0, void_is_class: bool = False) -> LocalClasses:
    """The local classes of a class table.

    Args:
        classes: the label ids.
        count: number of sub-generators, the last of which serves all remaining ids; 0: one per
            class.
        void_is_class: whether void ids own sub-generators like all others.

    Raises:
        UserError: there are fewer classes than `count`.
    """
    owners = classes.num_labels if void_is_class else classes.num_local
    single = tuple(range(classes.num_labels)) if void_is_class else classes.local_table()
    if count > owners:
        raise UserError(
            f"--local_classes={count} is more than the {owners} classes that there are to share "
            "among sub-generators"
        )
    count = count or owners
    table = tuple(count if owner == owners else min(owner, count - 1) for owner in single)
    return LocalClasses(table, count, count if count == owners else count - 1)
