// The generators, one a file. Each emits one rank's plan for shape.size ≥ 2; the table that names
// them is algorithms.cpp. Cost formulas: α per message, o per further message that overlaps with
// others, β per byte moved, γ per byte reduced; n ranks, b bytes, L = ⌈log₂ n⌉, f = (n-1)/n.
#pragma once

#include "collectives/plan.h"

namespace tutti {

Plan all_reduce_parameter_server(const Shape& shape);
Plan all_reduce_naive(const Shape& shape);
Plan all_reduce_one_shot(const Shape& shape);
Plan all_reduce_two_shot(const Shape& shape);
Plan all_reduce_ring(const Shape& shape);
Plan all_reduce_recursive_doubling(const Shape& shape);
Plan all_reduce_rabenseifner(const Shape& shape);
Plan all_reduce_double_binary_tree(const Shape& shape);
Plan broadcast_binomial(const Shape& shape);
Plan barrier_dissemination(const Shape& shape);
Plan broadcast_flat(const Shape& shape);
Plan broadcast_chain(const Shape& shape);
Plan broadcast_scatter_all_gather(const Shape& shape);
Plan reduce_binomial(const Shape& shape);
Plan reduce_chain(const Shape& shape);
Plan reduce_flat(const Shape& shape);
Plan reduce_two_shot(const Shape& shape);
Plan reduce_scatter_direct(const Shape& shape);
Plan reduce_scatter_ring(const Shape& shape);
Plan reduce_scatter_recursive_halving(const Shape& shape);
Plan all_gather_direct(const Shape& shape);
Plan all_gather_ring(const Shape& shape);
Plan all_gather_bruck(const Shape& shape);
Plan all_gather_recursive_doubling(const Shape& shape);
Plan gather_flat(const Shape& shape);
Plan gather_binomial(const Shape& shape);
Plan scatter_flat(const Shape& shape);
Plan scatter_binomial(const Shape& shape);
Plan all_to_all_direct(const Shape& shape);
Plan all_to_all_pairwise(const Shape& shape);
Plan all_to_all_bruck(const Shape& shape);
Plan scan_chain(const Shape& shape);
Plan scan_recursive_doubling(const Shape& shape);
Plan exclusive_scan_chain(const Shape& shape);
Plan exclusive_scan_recursive_doubling(const Shape& shape);

}  // namespace tutti
