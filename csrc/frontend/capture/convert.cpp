#include "frontend/capture/convert.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "support/error.h"

namespace braze {
namespace {

/// Both directions of the enum mapping, made once from the torch names in dtypes.def.
struct DTypeTable {
  std::array<int, static_cast<size_t>(c10::ScalarType::NumOptions)> from_torch;
  std::vector<c10::ScalarType> to_torch;

  DTypeTable() {
    from_torch.fill(-1);
    auto row = [&](DType ours, c10::ScalarType theirs) {
      from_torch[static_cast<size_t>(theirs)] = static_cast<int>(ours);
      if (to_torch.size() <= static_cast<size_t>(ours)) to_torch.resize(static_cast<size_t>(ours) + 1);
      to_torch[static_cast<size_t>(ours)] = theirs;
    };
    using S = c10::ScalarType;
    row(DType::b1, S::Bool), row(DType::u8, S::Byte), row(DType::i8, S::Char), row(DType::i16, S::Short);
    row(DType::i32, S::Int), row(DType::i64, S::Long), row(DType::f16, S::Half), row(DType::bf16, S::BFloat16);
    row(DType::f32, S::Float), row(DType::f64, S::Double), row(DType::u16, S::UInt16), row(DType::u32, S::UInt32);
    row(DType::u64, S::UInt64), row(DType::c32, S::ComplexHalf), row(DType::c64, S::ComplexFloat),
        row(DType::c128, S::ComplexDouble);
    row(DType::f8e4m3fn, S::Float8_e4m3fn), row(DType::f8e5m2, S::Float8_e5m2),
        row(DType::f8e4m3fnuz, S::Float8_e4m3fnuz);
    row(DType::f8e5m2fnuz, S::Float8_e5m2fnuz), row(DType::f8e8m0fnu, S::Float8_e8m0fnu);
  }
};

const DTypeTable& table() {
  static const DTypeTable value;
  return value;
}

/// By the number c10::MemoryFormat gives each.
constexpr std::array<std::string_view, 4> kMemoryFormats = {"contiguous_format", "preserve_format", "channels_last",
                                                            "channels_last_3d"};

/// The type inside Optional, or the type itself.
const c10::Type& inner(const c10::Type& type) {
  if (auto* optional = type.castRaw<c10::OptionalType>()) return *optional->getElementType();
  return type;
}

/// A list of numbers where the schema has Scalar?[].
std::optional<c10::IValue> optional_scalars(const ExternArg& arg, const c10::Type& declared) {
  auto* list_type = inner(declared).castRaw<c10::ListType>();
  if (!list_type || list_type->getElementType()->kind() != c10::OptionalType::Kind ||
      inner(*list_type->getElementType()).kind() != c10::NumberType::Kind)
    return std::nullopt;
  auto* numbers = std::get_if<std::vector<double>>(&arg);
  if (!numbers) return std::nullopt;
  c10::impl::GenericList list(list_type->getElementType());
  for (double number : *numbers) list.push_back(c10::IValue(number));
  return c10::IValue(std::move(list));
}

}  // namespace

std::optional<DType> dtype_of(c10::ScalarType type) {
  int row = table().from_torch[static_cast<size_t>(type)];
  if (row < 0) return std::nullopt;
  return static_cast<DType>(row);
}

c10::ScalarType scalar_type_of(DType dtype) { return table().to_torch[static_cast<size_t>(dtype)]; }

std::string describe_tensor(const at::Tensor& tensor) {
  std::ostringstream out;
  out << c10::toString(tensor.scalar_type()) << " tensor on " << tensor.device() << ", layout " << tensor.layout();
  return out.str();
}

std::vector<at::Tensor> tensors_of(const c10::IValue& value) {
  std::vector<at::Tensor> result;
  if (value.isTensor()) {
    result.push_back(value.toTensor());
  } else if (value.isTensorList()) {
    result = value.toTensorVector();
  } else if (value.isOptionalTensorList()) {
    for (const auto& item : value.toOptionalTensorVector()) result.push_back(item.value_or(at::Tensor()));
  } else if (value.isList()) {
    for (const c10::IValue item : value.toListRef())
      if (item.isTensor()) result.push_back(item.toTensor());
  }
  return result;
}

bool convert_argument(const c10::IValue& value, const c10::Type& declared, const std::vector<int>& operands,
                      ExternArg& result) {
  const c10::Type& type = inner(declared);
  if (value.isNone()) {
    result = NoneArg{};
  } else if (value.isTensor()) {
    result = TensorArg{operands.at(0)};
  } else if (value.isTensorList() || value.isOptionalTensorList()) {
    result = TensorListArg{operands};
  } else if (value.isBool()) {
    result = value.toBool();
  } else if (value.isInt()) {
    int64_t number = value.toInt();
    if (type.kind() == c10::ScalarTypeType::Kind) {
      auto dtype = dtype_of(static_cast<c10::ScalarType>(number));
      if (!dtype) return false;
      result = NamedArg{"dtype", std::string(info(*dtype).torch_name)};
    } else if (type.kind() == c10::LayoutType::Kind) {
      if (static_cast<c10::Layout>(number) != c10::kStrided) return false;
      result = NamedArg{"layout", "strided"};
    } else if (type.kind() == c10::MemoryFormatType::Kind) {
      result = NamedArg{"memory_format", std::string(kMemoryFormats.at(number))};
    } else {
      result = number;
    }
  } else if (value.isDouble()) {
    result = value.toDouble();
  } else if (value.isComplexDouble()) {
    auto number = value.toComplexDouble();
    result = ComplexArg{number.real(), number.imag()};
  } else if (value.isString()) {
    result = value.toStringRef();
  } else if (value.isDevice()) {
    if (!value.toDevice().is_cpu()) return false;
    result = NamedArg{"device", "cpu"};
  } else if (value.isIntList()) {
    result = value.toIntVector();
  } else if (value.isDoubleList()) {
    result = value.toDoubleVector();
  } else if (value.isBoolList()) {
    std::vector<bool> flags;
    for (bool flag : value.toBoolList()) flags.push_back(flag);
    result = std::move(flags);
  } else {
    return false;
  }
  return true;
}

c10::IValue ivalue_of(const ExternArg& arg, const c10::Type& declared) {
  if (auto scalars = optional_scalars(arg, declared)) return *scalars;
  struct Visitor {
    c10::IValue operator()(const NoneArg&) const { return {}; }
    c10::IValue operator()(const TensorArg&) const { return {}; }
    c10::IValue operator()(const TensorListArg&) const { return {}; }
    c10::IValue operator()(bool value) const { return value; }
    c10::IValue operator()(int64_t value) const { return value; }
    c10::IValue operator()(double value) const { return value; }
    c10::IValue operator()(const ComplexArg& value) const { return c10::complex<double>(value.real, value.imag); }
    c10::IValue operator()(const std::string& value) const { return value; }
    c10::IValue operator()(const NamedArg& value) const {
      if (value.kind == "dtype") {
        auto dtype = dtype_from_torch_name(value.value);
        check_internal(dtype.has_value(), "unknown dtype " + value.value);
        return static_cast<int64_t>(scalar_type_of(*dtype));
      }
      if (value.kind == "layout") return static_cast<int64_t>(c10::kStrided);
      if (value.kind == "memory_format")
        return static_cast<int64_t>(std::find(kMemoryFormats.begin(), kMemoryFormats.end(), value.value) -
                                    kMemoryFormats.begin());
      if (value.kind == "device") return c10::Device(c10::kCPU);
      throw Error(Error::Kind::Internal, "unknown argument kind " + value.kind);
    }
    c10::IValue operator()(const std::vector<int64_t>& value) const { return value; }
    c10::IValue operator()(const std::vector<double>& value) const { return value; }
    c10::IValue operator()(const std::vector<bool>& value) const {
      c10::List<bool> list;
      for (bool flag : value) list.push_back(flag);
      return list;
    }
  };
  return std::visit(Visitor{}, arg);
}

}  // namespace braze
