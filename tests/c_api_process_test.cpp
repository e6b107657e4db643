// The C API in a process that forks, closes what it does not know, or is limited.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "tests/c_api_kit.h"
#include "tests/catch.h"
#include "tests/ranks.h"
#include "tutti/tutti.h"

using namespace tutti::test;

TEST_CASE("a forked child cannot use its parent's communicator") {
  const Alone comm;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AllReduce call;
    const bool refused = call(comm) == TUTTI_INVALID && call.untouched() &&
                         std::string(tutti_error_text(nullptr)).find("fork") != std::string::npos &&
                         tutti_finish(comm) == TUTTI_INVALID;
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  AllReduce call;
  CHECK(call(comm) == TUTTI_OK);
}

TEST_CASE("a forked child may start a world of its own") {
  const Alone comm;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool fine = false;
    {
      tutti_comm* own = nullptr;
      AllReduce call;
      fine = tutti_start(&own, nullptr) == TUTTI_OK && call(own) == TUTTI_OK &&
             tutti_finish(own) == TUTTI_OK && call(own) == TUTTI_INVALID &&
             std::string(tutti_error_text(nullptr)).find("is finished") != std::string::npos;
    }
    _exit(fine ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("memory is refused, and files of the program's stay whole, after closefrom()") {
  const pid_t child = fork();
  if (child == 0) {
    tutti_comm* comm = nullptr;
    tutti_config config = TUTTI_CONFIG_INIT;
    const std::string address = fresh_address();
    config.rank = 0, config.size = 1, config.address = address.c_str();
    bool good = tutti_start(&comm, &config) == TUTTI_OK;
    void* before = nullptr;
    good &= tutti_alloc(&before, 100, comm) == TUTTI_OK;
    closefrom(3);
    void* after = nullptr;
    good &= tutti_alloc(&after, std::size_t{1} << 20, comm) == TUTTI_SYSTEM;
    good &= says(comm, "closed descriptor");
    // Numbers that were Tutti's are now those of the program's own files.
    int own[16];
    for (int& fd : own) fd = memfd_create("own", 0);
    good &= tutti_alloc(&after, std::size_t{1} << 20, comm) == TUTTI_SYSTEM;
    good &= tutti_free(before, comm) == TUTTI_OK;
    good &= tutti_finish(comm) == TUTTI_OK;
    for (const int fd : own) {
      struct stat status {};
      good &= fstat(fd, &status) == 0 && status.st_size == 0;
    }
    _exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a limit on the size of files is an error, and no signal") {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{std::size_t{32} << 20, std::size_t{32} << 20};
    bool good = setrlimit(RLIMIT_FSIZE, &limit) == 0;
    const Alone comm;
    void* memory = nullptr;
    good &= tutti_alloc(&memory, 4096, comm) == TUTTI_OK;
    good &= tutti_alloc(&memory, std::size_t{64} << 20, comm) == TUTTI_NO_MEMORY;
    good &= says(comm, "File too large");
    _exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
