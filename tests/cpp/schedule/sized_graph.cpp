#include "schedule/sized_graph.h"

#include <algorithm>
#include <map>

#include "graph/parse.h"
#include "graph/verify.h"
#include "passes/pass.h"

namespace braze {
namespace {

using Symbols = std::vector<int64_t>;

/// `text` with each {name} replaced; a name is a product of factors, as in {s*64} or {s*t}, or a sum {s+t} of products.
std::string filled(const std::string& text, const std::map<std::string, int64_t>& names) {
  auto factor = [&](const std::string& word) {
    auto found = names.find(word);
    return found != names.end() ? found->second : std::stoll(word);
  };
  auto split = [](const std::string& all, char at) {
    std::vector<std::string> parts(1);
    for (char c : all)
      if (c == at)
        parts.emplace_back();
      else
        parts.back() += c;
    return parts;
  };
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') {
      result += text[i];
      continue;
    }
    const size_t end = text.find('}', i);
    int64_t sum = 0;
    for (const std::string& product : split(text.substr(i + 1, end - i - 1), '+')) {
      int64_t value = 1;
      for (const std::string& word : split(product, '*')) value *= factor(word);
      sum += value;
    }
    result += std::to_string(sum);
    i = end;
  }
  return result;
}

SizedGraph one_size(const std::string& name, const std::string& text, std::vector<Symbols> others = {}) {
  if (others.empty()) others = {{2}, {3}, {17}, {33}, {64}, {130}};
  return {name,
          [text](const Symbols& symbols) { return filled(text, {{"s", symbols[0]}}); },
          {{12}, {20}, {45}},
          std::move(others)};
}

SizedGraph two_sizes(const std::string& name, const std::string& text) {
  return {name,
          [text](const Symbols& symbols) { return filled(text, {{"s", symbols[0]}, {"t", symbols[1]}}); },
          {{12, 7}, {20, 9}, {45, 30}},
          {{2, 2}, {3, 17}, {17, 3}, {64, 32}, {33, 100}}};
}

std::vector<SizedGraph> make_all() {
  std::vector<SizedGraph> all;
  all.push_back(two_sizes("pointwise and broadcast",
                          "graph\ninputs %0: f32[{s*t}:1], %1: f32[{t}:1], %2: f32[{s}:1]\n"
                          "%3: f32[{s},{t}:{t},1] = add %0[{s},{t}:{t},1], %1[{s},{t}:0,1]\n"
                          "%4: f32[{s},{t}:{t},1] = mul %3[{s},{t}:{t},1], %2[{s},{t}:1,0]\n"
                          "%5: f32[{s},{t}:{t},1] = abs %4[{s},{t}:{t},1]\noutputs %5, %3\n"));
  all.push_back(one_size("softmax",
                         "graph\ninputs %0: f32[{4*s}:1]\n"
                         "%1: f32[4,{s}:{s},1] = extern aten::_softmax($0, 1, false) returns(0) of %0[4,{s}:{s},1]\n"
                         "outputs %1\n"));
  all.push_back(one_size("softmax over rows of rows",
                         "graph\ninputs %0: f32[{3*s*s}:1]\n%1: f32[3,{s},{s}:{s*s},{s},1] = extern aten::_softmax($0, "
                         "-1, false) returns(0) of %0[3,{s},{s}:{s*s},{s},1]\noutputs %1\n"));
  all.push_back(one_size(
      "layer norm",
      "graph\ninputs %0: f32[{s*24}:1], %1: f32[24:1], %2: f32[24:1]\n"
      "%4: f32[{s},24:24,1], %5: f32[{s},1:1,1], %6: f32[{s},1:1,1] = extern aten::native_layer_norm($0, [24], $1, $2, "
      "0x1.4f8b588e368f1p-17) returns(0, 1, 2) of %0[{s},24:24,1], %1[24:1], %2[24:1]\noutputs %4, %6\n"));
  all.push_back(one_size("mean along what varies",
                         "graph\ninputs %0: f32[{5*s*3}:1]\n"
                         "%1: f32[5,1,3:3,3,1] = extern aten::mean.dim($0, [1], true, none) returns(0) of "
                         "%0[5,{s},3:{s*3},3,1]\n"
                         "%2: f32[5,{s},3:{s*3},3,1] = sub %0[5,{s},3:{s*3},3,1], %1[5,{s},3:3,0,1]\noutputs %2\n"));
  all.push_back(
      one_size("variance along what varies",
               "graph\ninputs %0: f32[{6*s}:1]\n"
               "%1: f32[6,1:1,1] = extern aten::var.correction($0, [1], 1, true) returns(0) of %0[6,{s}:{s},1]\n"
               "outputs %1\n"));
  all.push_back(two_sizes(
      "parts one after the other",
      "graph\ninputs %0: f32[{s*6}:1], %1: f32[{t*6}:1]\n"
      "%2: f32[{s+t},6:6,1] = extern aten::cat(tensors [$0, $1], 0) returns(0) of %0[{s},6:6,1], %1[{t},6:6,1]\n"
      "%3: f32[{s+t},6:6,1] = mul %2[{s+t},6:6,1], 0x1.8p+1:f32\noutputs %3\n"));
  all.push_back(two_sizes("parts side by side",
                          "graph\ninputs %0: f32[{s*6}:1], %1: f32[{t*6}:1]\n"
                          "%2: f32[6,{s+t}:{s+t},1] = extern aten::cat(tensors [$0, $1], 1) returns(0) of "
                          "%0[6,{s}:{s},1], %1[6,{t}:{t},1]\n"
                          "outputs %2\n"));
  all.push_back(one_size("embedding",
                         "graph\ninputs %0: i64[{2*s}:1], %1: f32[60:1], %2: f32[{s*6}:1]\n"
                         "%3: f32[2,{s},6:{s*6},6,1] = extern aten::embedding($0, $1, -1, false, false) returns(0) of "
                         "%1[10,6:6,1], %0[2,{s}:{s},1]\n"
                         "%4: f32[2,{s},6:{s*6},6,1] = add %3[2,{s},6:{s*6},6,1], %2[2,{s},6:0,6,1]\noutputs %4\n"));
  all.push_back(one_size("a table that varies",
                         "graph\ninputs %0: i64[7:1], %1: f32[{s*5}:1]\n"
                         "%2: f32[7,5:5,1] = extern aten::index.Tensor($1, tensors [$0]) returns(0) of %0[7:1], "
                         "%1[{s},5:5,1]\noutputs %2\n",
                         {{3}, {17}, {64}}));
  all.push_back(two_sizes("transpose",
                          "graph\ninputs %0: f32[{s*t}:1]\n"
                          "%1: f32[{t},{s}:{s},1] = mul %0[{t},{s}:1,{t}], 0x1.8p+1:f32\noutputs %1\n"));
  all.push_back(one_size(
      "causal attention",
      "graph\ninputs %0: f32[{2*s*8}:1], %1: f32[{2*s*8}:1], %2: f32[{2*s*8}:1]\n"
      "%3: f32[2,{s},8:{s*8},8,1] = mul %0[2,{s},8:{s*8},8,1], 0x1.6a09e6p-2:f32\n"
      "%4: f32[2,{s},{s}:{s*s},{s},1] = extern aten::bmm($0, $1) returns(0) of %3[2,{s},8:{s*8},8,1], "
      "%1[2,8,{s}:{s*8},1,8]\n"
      "%5: i64[{s},{s}:{s},1] = index dim=0\n%6: i64[{s},{s}:{s},1] = index dim=1\n"
      "%7: b1[{s},{s}:{s},1] = le %6[{s},{s}:{s},1], %5[{s},{s}:{s},1]\n"
      "%8: f32[2,{s},{s}:{s*s},{s},1] = where %7[2,{s},{s}:0,{s},1], %4[2,{s},{s}:{s*s},{s},1], -inf:f32\n"
      "%9: f32[2,{s},{s}:{s*s},{s},1] = extern aten::_softmax($0, -1, false) returns(0) of %8[2,{s},{s}:{s*s},{s},1]\n"
      "%10: f32[2,{s},8:{s*8},8,1] = extern aten::bmm($0, $1) returns(0) of %9[2,{s},{s}:{s*s},{s},1], "
      "%2[2,{s},8:{s*8},8,1]\n"
      "%11: f32[2,{s},8:{s*8},8,1] = add %10[2,{s},8:{s*8},8,1], %0[2,{s},8:{s*8},8,1]\noutputs %11\n"));
  all.push_back(
      one_size("a filled buffer and a resized argument",
               "graph\ninputs %0: f32[{s*4}:1]\n"
               "%1: f32[{s},4:4,1] = extern aten::full([{s}, 4], 0x1.8p+1, none, none, none, none) returns(0)\n"
               "%2: f32[{s},4:4,1] = add %1[{s},4:4,1], %0[{s},4:4,1]\n"
               "%3: f32[{s+1},4:4,1] = extern aten::constant_pad_nd($0, [0, 0, 1, 0], 0) returns(0) of "
               "%2[{s},4:4,1]\noutputs %3\n"));
  return all;
}

}  // namespace

const std::vector<SizedGraph>& sized_graphs() {
  static const std::vector<SizedGraph> all = make_all();
  return all;
}

Graph graph_at(const SizedGraph& program, const std::vector<int64_t>& symbols) {
  Graph graph = parse_graph(program.text(symbols));
  verify(graph);
  run_passes(graph, {}, false);
  return graph;
}

}  // namespace braze
