#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "perf/table.h"

namespace tutti {
namespace {

constexpr std::size_t kColumn = 13;

/// A name as lines that fit a column: broken after '_' and '/'.
std::vector<std::string> folded(const std::string& name) {
  std::vector<std::string> lines(1);
  std::string word;
  const auto place = [&] {
    if (!lines.back().empty() && lines.back().size() + word.size() > kColumn - 1)
      lines.emplace_back();
    lines.back() += word;
    word.clear();
  };
  for (const char letter : name) {
    word += letter;
    if (letter == '_' || letter == '/') place();
  }
  place();
  return lines;
}

std::string column_heads(const std::vector<std::string>& algorithms) {
  std::vector<std::vector<std::string>> heads;
  std::size_t height = 0;
  for (const std::string& name : algorithms) {
    heads.push_back(folded(name));
    height = std::max(height, heads.back().size());
  }
  std::string text;
  for (std::size_t line = 0; line < height; ++line) {
    text += fmt::format("#{:>12}", line + 1 == height ? "size (B)" : "");
    for (const auto& head : heads) {
      const std::size_t from = height - head.size();
      text += fmt::format("{:>{}}", line >= from ? head[line - from] : "", kColumn);
    }
    text += "\n";
  }
  return text;
}

/// What one matrix shows: one type, op and kind of memory.
using MatrixKey = std::tuple<std::string, std::string, bool>;

struct Matrix {
  std::vector<std::string> algorithms;  // in order of appearance
  std::map<std::size_t, std::map<std::string, const CellResult*>> rows;

  void add(const CellResult& result) {
    if (std::ranges::find(algorithms, result.algorithm) == algorithms.end())
      algorithms.push_back(result.algorithm);
    rows[result.bytes].emplace(result.algorithm, &result);  // the first form stays
  }
};

std::string matrix_text(const MatrixKey& key, const Matrix& matrix, bool in_place) {
  const auto& [dtype, op, registered] = key;
  std::string text = fmt::format(
      "#\n# Side by side: time (us), {} {}, {}, {} memory; * chosen, ^ fastest where another is\n",
      dtype, op, in_place ? "in place" : "out of place", registered ? "registered" : "pageable");
  text += column_heads(matrix.algorithms);
  for (const auto& [bytes, row] : matrix.rows) {
    const auto fastest =
        std::ranges::min_element(row, {}, [](const auto& entry) { return entry.second->time_us; });
    text += fmt::format(" {:>12}", bytes);
    for (const std::string& name : matrix.algorithms) {
      const auto found = row.find(name);
      if (found == row.end()) {
        text += fmt::format("{:>{}}", "-", kColumn);
        continue;
      }
      const char* mark = found->second->chosen ? "*" : found == fastest ? "^" : " ";
      const double us = found->second->time_us;
      text += fmt::format("{:>{}}{}", fmt::format("{:.{}f}", us, us < 10'000 ? 2 : 0), kColumn - 1,
                          mark);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string algorithm_matrix(const std::vector<CellResult>& results) {
  const bool both_forms = std::ranges::any_of(results, [](const auto& r) { return !r.in_place; });
  std::map<MatrixKey, Matrix> matrices;
  for (const CellResult& result : results)
    if (!result.in_place || !both_forms)
      matrices[{result.dtype, result.op, result.registered}].add(result);
  std::string text;
  for (const auto& [key, matrix] : matrices)
    if (matrix.algorithms.size() > 1) text += matrix_text(key, matrix, !both_forms);
  return text;
}

}  // namespace tutti
