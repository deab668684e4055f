#include "console/console.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace lorentznet {
namespace {

/// Lines go out as they are: people grep them in the Python program's form.
template <typename Sink>
spdlog::logger make_logger(const std::string& name) {
  spdlog::logger logger(name, std::make_shared<Sink>());
  logger.set_pattern("%v");
  logger.flush_on(spdlog::level::info);
  return logger;
}

}  // namespace

void print(const std::string& line) {
  static auto logger = make_logger<spdlog::sinks::stdout_sink_mt>("stdout");
  logger.info(line);
}

void print_error(const std::string& line) {
  static auto logger = make_logger<spdlog::sinks::stderr_sink_mt>("stderr");
  logger.error(line);
}

}  // namespace lorentznet
