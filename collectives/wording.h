// Steps of plans in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "collectives/plan.h"

namespace tutti {

/// Puts steps into words: as they stand in several plans of one structure, or short and with
/// numbers for a picture.
class Wording {
 public:
  /// `vars`: the values of the loop variables, for a picture.
  explicit Wording(std::vector<const Plan*> plans, const LoopVars* vars = nullptr)
      : plans_(std::move(plans)), vars_(vars) {}

  /// Plan::steps[index]: "send    → rank+1: in[rank]".
  std::string step(std::size_t index);
  /// Whether some expression had no common words so far.
  bool failed() const { return failed_; }

 private:
  using ExprOf = std::function<Expr(const Plan&)>;
  using RefOf = std::function<Ref(const Plan&)>;
  using PeerOf = std::function<Peer(const Plan&)>;
  using OperandOf = std::function<Operand(const Plan&)>;

  const Plan& first() const { return *plans_[0]; }
  bool picture() const { return vars_ != nullptr; }
  std::string expression(const ExprOf& of, std::uint32_t modulus);
  std::string constant(const ExprOf& of, std::uint32_t modulus, bool variable);
  std::string peer(const PeerOf& of);
  std::string ref(const RefOf& of);
  std::string operand(const OperandOf& of);
  std::string combine(std::size_t index);

  std::vector<const Plan*> plans_;
  const LoopVars* vars_;
  bool failed_ = false;
};

}  // namespace tutti
