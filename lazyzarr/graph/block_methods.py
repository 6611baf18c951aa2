"""The methods of a lazy array that work by blocks, windows and groups: those that dask.array has, or xarray."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike, DTypeLike

from lazyzarr.graph.functions import blockwise, grouping
from lazyzarr.graph.ops.groups import How
from lazyzarr.graph.ops.overlap import Boundary
from lazyzarr.graph.whole import Whole
from lazyzarr.graph.words import Axes, Axis, ChunksLike

__all__ = ["BlockMethods"]

Depth = int | Sequence[int | Sequence[int]] | Mapping[Any, int | Sequence[int]] | None


class BlockMethods(Whole):
    """Users' functions of blocks and windows, and reductions by group; an axis is a number or a dimension name."""

    __slots__ = ()

    def map_blocks(
        self,
        function: Callable[..., Any],
        *arrays: Any,
        dtype: DTypeLike | None = None,
        chunks: ChunksLike = None,
        drop_axis: Axes = None,
        new_axis: int | Sequence[int] | None = None,
        meta: Any = None,
        keywords: Mapping[str, Any] | None = None,
        **words: Any,
    ) -> Self:
        """The results of a function called with each chunk, exactly as `.chunks` says, once each.

        Parameters
        ----------
        function : callable
            Takes a chunk of this array, and the chunks at the same place of `arrays`; gives a NumPy array of
            the same shape, or of the shape that `chunks` says. It may take `block_id` (the chunk's index) and
            `block_info` (as dask.array's). Chunks are read-only: copy one that is to be changed. They may be kept,
            and so may what the function gives: an array that it fills again in the next call is copied.
        arrays : array, optional
            Further arrays with the same chunks, or with axes of length 1; numbers are handed on as they are.
        dtype : dtype, optional
            Of the results; `meta` may say it instead. Without both the function is called once with chunks of one
            element to learn it.
        chunks : optional
            The chunk sizes of the result, where the function changes shapes: one tuple of sizes an axis, or
            one length an axis; or a mapping by axis number or dimension name, where the other axes keep theirs.
        drop_axis : int, str or sequence, optional
            Axes that the result has not; the function is given them whole.
        new_axis : int or sequence, optional
            Where the result has further axes; of length 1, if `chunks` does not say otherwise.
        keywords, **words : optional
            Further keyword arguments of the function.

        Raises ShapeMismatchError where chunks do not fit.

        >>> x = lz.from_array(np.arange(6).reshape(2, 3), chunks=(1, 3))
        >>> x.map_blocks(lambda block: block - block.min(), dtype=x.dtype).compute()
        array([[0, 1, 2],
               [0, 1, 2]])
        >>> x.map_blocks(np.sum, axis=1, drop_axis=1).compute()
        array([ 3, 12])
        """
        found = blockwise.map_blocks(
            function,
            self.__lazyzarr_node__,
            *arrays,
            dtype=dtype,
            chunks=chunks,
            drop_axis=drop_axis,
            new_axis=new_axis,
            meta=meta,
            keywords=keywords,
            **words,
        )
        return self._of(found)

    def map_overlap(
        self,
        function: Callable[..., Any],
        *arrays: Any,
        depth: Depth = None,
        boundary: Boundary | Sequence[Boundary] | Mapping[Any, Boundary] | None = "none",
        trim: bool = True,
        dtype: DTypeLike | None = None,
        meta: Any = None,
        keywords: Mapping[str, Any] | None = None,
        **words: Any,
    ) -> Self:
        """The results of a function called with each chunk and what is around it.

        Parameters
        ----------
        function : callable
            Takes a chunk with `depth` elements more at each side; gives an array of that same shape, of which the
            chunk's part is kept. What it is given is read-only: copy what is to be changed.
        arrays : array, optional
            Further arrays of this shape, which the function is given in the same way.
        depth : int, sequence or mapping
            Elements at each side, as many as there may be: of all axes, of each, or by axis number or dimension
            name; a pair is elements before and after. As in dask.array it may come second, and the boundary third.
        boundary : optional
            What lies beyond the edges: "none" (nothing: chunks there are given less), "reflect", "nearest",
            "periodic" or a number; of all axes, of each, or a mapping.
        trim : bool
            True: what the function gives for what is around the chunk is cut off, always.
        dtype : dtype, optional
            Of the results; `meta` may say it instead. Without both the function is called once with ones to learn it.
        keywords, **words : optional
            Further keyword arguments of the function.

        Raises ShapeMismatchError for further arrays of another shape.

        >>> x = lz.from_array(np.arange(6.0), chunks=3)
        >>> x.map_overlap(np.convolve, depth=1, boundary=0, v=[1, 1, 1], mode="same").compute()
        array([ 1.,  3.,  6.,  9., 12.,  9.])
        """
        if depth is None:
            arrays, depth, boundary = _in_dasks_order(arrays, boundary)
        found = blockwise.map_overlap(
            function,
            self.__lazyzarr_node__,
            *arrays,
            depth=depth,
            boundary=boundary,
            trim=trim,
            dtype=dtype,
            meta=meta,
            keywords=keywords,
            **words,
        )
        return self._of(found)

    def coarsen(
        self,
        reduction: Callable[..., Any] | str,
        axes: Mapping[Any, int],
        trim_excess: bool = False,
        dtype: DTypeLike | None = None,
        **keywords: Any,
    ) -> Self:
        """The array with one value in the place of each window of elements.

        Parameters
        ----------
        reduction : callable or str
            A function that takes an array and `axis=`, a tuple: `np.mean`; or NumPy's name of one, "mean".
        axes : mapping
            The windows' lengths by axis number or dimension name.
        trim_excess : bool
            Whether what is left over at the end of axes is cut off, rather than refused.
        dtype : dtype, optional
            Of the results; of integers values are rounded to the nearest. Default: what the function gives.
        **keywords : optional
            Further keyword arguments of the function.

        Raises ShapeMismatchError where windows do not fill an axis, ValueError for what is no function or length.

        >>> lz.from_array(np.arange(6.0), chunks=4, dims=("x",)).coarsen(np.mean, {"x": 2}).compute()
        array([0.5, 2.5, 4.5])
        """
        return self._of(
            blockwise.coarsen(reduction, self.__lazyzarr_node__, axes, trim_excess, dtype, **keywords)
        )

    def groupby_reduce(
        self,
        labels: ArrayLike,
        how: How = "mean",
        axis: Axis = 0,
        num_groups: int | None = None,
        *,
        ddof: float = 0,
    ) -> Self:
        """A reduction of each group along an axis, of which the result has one element a group.

        Parameters
        ----------
        labels : array of int
            The group of each index along the axis, from 0 on; negative: of none.
        how : {"mean", "sum", "min", "max", "count", "var", "std", "first", "last"}
        axis : int or str
            A number or a dimension name.
        num_groups : int, optional
            Default: one more than the largest label.
        ddof : float
            Taken from the number of elements in `var` and `std`.

        Raises ValueError for labels that do not fit.

        >>> x = lz.from_array(np.arange(6.0), chunks=2)
        >>> x.groupby_reduce([0, 1, 0, 1, 0, 1]).compute()
        array([2., 3.])
        """
        return self._of(grouping.groupby_reduce(self.__lazyzarr_node__, labels, how, axis, num_groups, ddof))


def _in_dasks_order(arrays: Sequence[Any], boundary: Any) -> tuple[tuple[Any, ...], Any, Any]:
    """Further arrays, the depth and the boundary, where the last two come first and have no names."""
    if not arrays or not isinstance(arrays[0], (int, tuple, list, Mapping)):
        raise TypeError("map_overlap needs depth=, how many elements around a chunk the function looks at")
    depth, *more = arrays
    if more and (more[0] is None or isinstance(more[0], (int, float, str, tuple, list, Mapping))):
        boundary, *more = more
    return tuple(more), depth, boundary
