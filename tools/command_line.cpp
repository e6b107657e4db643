#include "tools/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/help_json.h"
#include "tools/subcommand.h"
#include "tutti/tutti.h"

namespace tutti {
namespace {

std::string version_text() {
  return fmt::format("tutti {}.{}.{}", TUTTI_VERSION / 10000, TUTTI_VERSION / 100 % 100,
                     TUTTI_VERSION % 100);
}

/// CLI11's help, with what follows the options in the usage line.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(const SubcommandRow& row) : row_(row) { column_width(32); }

  /// CLI11 pads by bytes, and "N,…" has more of them than columns.
  std::string make_option(const CLI::Option* option, bool positional) const override {
    const std::string name = "  " + make_option_name(option, positional) + make_option_opts(option);
    const auto more = std::count_if(name.begin(), name.end(),
                                    [](unsigned char byte) { return (byte & 0xc0) == 0x80; });
    std::string text = CLI::Formatter::make_option(option, positional);
    if (text.starts_with(name)) text.insert(name.size(), static_cast<std::size_t>(more), ' ');
    return text;
  }

  std::string make_usage(const CLI::App*, std::string) const override {
    return fmt::format("Usage: tutti {} [options]{}{}\n", row_.name,
                       row_.program.empty() ? "" : " ", row_.program);
  }

 private:
  const SubcommandRow& row_;
};

void print_help(std::FILE* out) {
  fmt::print(out,
             "Tutti: collective communication between ranks.\n\n"
             "Usage: tutti SUBCOMMAND [options]\n\nSubcommands:\n");
  for (const SubcommandRow& row : subcommands())
    fmt::print(out, "  {:<10} {}\n", row.name, row.summary);
  fmt::print(out, "\n`tutti help SUBCOMMAND` lists its options; `tutti --version`.\n");
}

int usage_error(const std::string& who, const std::string& text) {
  fmt::print(stderr, "{}: {}\nSee `{} --help`.\n", who, text, who);
  return kExitUsage;
}

/// CLI11's words for too many or too few values, in ours.
std::string reworded(const CLI::ArgumentMismatch& error) {
  std::string text = error.what();
  const std::string option = text.substr(0, text.find(':'));
  if (text.find("At Most") != text.npos) return option + ": given more than once";
  if (text.ends_with("missing")) return option + ": its value is missing";
  return text;
}

/// Parses and runs one subcommand. Help and version are CLI11's exceptions with exit code 0.
int run_subcommand(const SubcommandRow& row, std::vector<std::string> arguments) {
  const std::string who = fmt::format("tutti {}", row.name);
  CLI::App app(std::string(row.summary), who);
  app.formatter(std::make_shared<HelpFormatter>(row));
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("--version", version_text())->description("print the version");
  const auto unknown = [&] {
    return usage_error(who, fmt::format("unknown option or argument '{}'", app.remaining()[0]));
  };
  try {
    const auto command = row.make();
    Options options(app, row.letter);
    command->declare(options);
    command->take_program(arguments);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // CLI11's order
    app.allow_extras();
    app.parse(reversed);
    if (!app.remaining().empty()) return unknown();
    return command->run();
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ArgumentMismatch& error) {
    return usage_error(who, reworded(error));
  } catch (const CLI::ParseError& error) {
    return usage_error(who, error.what());
  } catch (const UsageError& error) {
    // What follows an unknown option was taken for an argument: the option is what is wrong.
    if (!app.remaining().empty()) return unknown();
    return usage_error(who, error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", who, error.what());
    return kExitFailed;
  }
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_help(stderr);
    return kExitUsage;
  }
  std::string name = arguments[0];
  std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (name == "help" && rest == std::vector<std::string>{"--json"}) {
    fmt::print("{}\n", help_json());
    return 0;
  }
  if (name == "help" && rest.size() == 1) {  // `tutti help run` is `tutti run --help`
    name = std::exchange(rest[0], "--help");
  } else if (name == "-h" || name == "--help" || name == "help") {
    print_help(stdout);
    return 0;
  }
  if (name == "--version") {
    fmt::print("{}\n", version_text());
    return 0;
  }
  for (const SubcommandRow& row : subcommands())
    if (row.name == name) return run_subcommand(row, std::move(rest));
  return usage_error("tutti", fmt::format("unknown subcommand '{}'", name));
}

}  // namespace tutti
