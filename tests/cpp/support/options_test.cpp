// Options by name: what is accepted, what the messages say, and what is part of the cache key.
#include "support/options.h"

#include <catch2/catch.hpp>
#include <functional>

#include "support/error.h"

using namespace braze;

namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::User);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("options are read and written by name") {
  Options options;
  set_option(options, "numerics", std::string("fast"));
  set_option(options, "cache_size", int64_t{7});
  set_option(options, "dynamic", false);
  set_option(options, "log", std::string("kernels,guards"));
  CHECK(options.numerics == "fast");
  CHECK(std::get<int64_t>(get_option(options, "cache_size")) == 7);
  CHECK(options.dynamic == std::optional<bool>(false));
  CHECK(std::get<bool>(get_option(options, "trial")));
  set_option(options, "dynamic", std::monostate());
  CHECK(std::holds_alternative<std::monostate>(get_option(options, "dynamic")));
}

TEST_CASE("a wrong option is an error that lists what is accepted") {
  Options options;
  CHECK_THAT(message_of([&] { set_option(options, "numeric", std::string("fast")); }),
             Catch::Contains("no option 'numeric'") && Catch::Contains("numerics, freeze"));
  CHECK_THAT(message_of([&] { set_option(options, "numerics", std::string("sloppy")); }),
             Catch::Contains("numerics=sloppy is not accepted") && Catch::Contains("\"eager\", \"fast\""));
  CHECK_THAT(message_of([&] { set_option(options, "freeze", std::string("yes")); }), Catch::Contains("True, False"));
  CHECK_THAT(message_of([&] { set_option(options, "cache_size", int64_t{-1}); }), Catch::Contains("a whole number"));
  CHECK_THAT(message_of([&] { set_option(options, "log", std::string("kernels,noise")); }), Catch::Contains("any of"));
  CHECK(options.numerics == "eager");
}

TEST_CASE("only options that change code are part of the cache key") {
  Options options;
  const std::string key = code_key(options);
  options.trial = false;
  options.log = "kernels";
  CHECK(code_key(options) == key);
  options.numerics = "fast";
  CHECK(code_key(options) != key);
}
