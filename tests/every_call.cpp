#include "tests/every_call.h"

#include <cstdint>
#include <utility>

namespace tutti::test {
namespace {

// What the calls work on: they are made by one rank, one after the other.
struct Things {
  float value = 1, other = 1;
  std::int32_t number = 0;
  void* pointer = nullptr;
  tutti_op op = 0;
  tutti_comm* child = nullptr;
  tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;
  tutti_request* request = nullptr;  // of the send whose receive comes next
};

std::vector<NamedCall> collective_calls(Things& t) {
  return {
      {"all_reduce",
       [&](tutti_comm* c) {
         return tutti_all_reduce(&t.value, &t.value, 1, TUTTI_F32, TUTTI_SUM, c, nullptr);
       }},
      {"broadcast",
       [&](tutti_comm* c) {
         return tutti_broadcast(&t.value, &t.value, 1, TUTTI_F32, 0, c, nullptr);
       }},
      {"barrier", [&](tutti_comm* c) { return tutti_barrier(c, nullptr); }},
      {"reduce",
       [&](tutti_comm* c) {
         return tutti_reduce(&t.value, &t.value, 1, TUTTI_F32, TUTTI_SUM, 0, c, nullptr);
       }},
      {"reduce_scatter",
       [&](tutti_comm* c) {
         return tutti_reduce_scatter(&t.value, &t.value, 1, TUTTI_F32, TUTTI_SUM, c, nullptr);
       }},
      {"all_gather",
       [&](tutti_comm* c) {
         return tutti_all_gather(&t.value, &t.value, 1, TUTTI_F32, c, nullptr);
       }},
      {"gather",
       [&](tutti_comm* c) {
         return tutti_gather(&t.value, &t.value, 1, TUTTI_F32, 0, c, nullptr);
       }},
      {"scatter",
       [&](tutti_comm* c) {
         return tutti_scatter(&t.value, &t.value, 1, TUTTI_F32, 0, c, nullptr);
       }},
      {"all_to_all",
       [&](tutti_comm* c) {
         return tutti_all_to_all(&t.value, &t.other, 1, TUTTI_F32, c, nullptr);
       }},
      {"scan",
       [&](tutti_comm* c) {
         return tutti_scan(&t.value, &t.value, 1, TUTTI_F32, TUTTI_SUM, c, nullptr);
       }},
      {"exclusive_scan",
       [&](tutti_comm* c) {
         return tutti_exclusive_scan(&t.value, &t.value, 1, TUTTI_F32, TUTTI_SUM, c, nullptr);
       }},
  };
}

std::vector<NamedCall> other_calls(Things& t) {
  return {
      {"rank", [&](tutti_comm* c) { return tutti_rank(c, &t.number); }},
      {"size", [&](tutti_comm* c) { return tutti_size(c, &t.number); }},
      {"alloc", [&](tutti_comm* c) { return tutti_alloc(&t.pointer, 8, c); }},
      {"free", [&](tutti_comm* c) { return tutti_free(nullptr, c); }},
      {"op_create_pre_scaled",
       [&](tutti_comm* c) { return tutti_op_create_pre_scaled(&t.op, &t.value, TUTTI_F32, c); }},
      {"op_free", [&](tutti_comm* c) { return tutti_op_free(t.op, c); }},
      {"send_recv",
       [&](tutti_comm* c) {
         return tutti_send_recv(&t.value, 1, 0, &t.other, 1, 0, TUTTI_F32, c, nullptr);
       }},
      {"send",
       [&](tutti_comm* c) {
         tutti_options options = TUTTI_OPTIONS_INIT;
         options.request = &t.request;
         return tutti_send(&t.value, 1, TUTTI_F32, 0, c, &options);
       }},
      {"recv",
       [&](tutti_comm* c) {
         const tutti_status status = tutti_recv(&t.other, 1, TUTTI_F32, 0, c, nullptr);
         return status == TUTTI_OK ? tutti_wait(t.request) : status;
       }},
      {"comm_split",
       [&](tutti_comm* c) { return tutti_comm_split(&t.child, TUTTI_NO_COLOUR, 0, c); }},
      {"comm_duplicate",
       [&](tutti_comm* c) {
         const tutti_status status = tutti_comm_duplicate(&t.child, c);
         return status == TUTTI_OK ? tutti_comm_free(t.child) : status;
       }},
      {"group_start", [&](tutti_comm* c) { return tutti_group_start(c); }},
      {"group_end", [&](tutti_comm* c) { return tutti_group_end(c, nullptr); }},
      {"candidate",
       [&](tutti_comm* c) {
         return tutti_candidate(TUTTI_ALL_REDUCE, 1, TUTTI_F32, TUTTI_SUM, c, 0, &t.info);
       }},
  };
}

}  // namespace

std::vector<NamedCall> every_call() {
  static Things things;
  std::vector<NamedCall> all = other_calls(things);
  for (NamedCall& call : collective_calls(things)) all.push_back(std::move(call));
  return all;
}

}  // namespace tutti::test
