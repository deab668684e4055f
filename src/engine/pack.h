#pragma once

#include "engine/engine.h"

namespace lorentznet::fused {

// Weights as the products read them: for each input a row of its weights, padded with zeros.

/// Elements of a row of `width`.
long row_elements(int width);

/// \param weight [outputs, inputs] \param packed [inputs] rows of outputs
template <typename T>
void pack_inputs(const T* weight, int outputs, int inputs, T* packed);
/// \param packed [rows] rows as they are
template <typename T>
void pack_rows(const T* weight, int rows, int columns, T* packed);

/// Elements of a PackedLayer's arrays.
long layer_elements(int hidden);
/// \param memory  [layer_elements(hidden)] aligned to kAlignment
template <typename T>
PackedLayer<T> pack_layer(const LayerParameters<T>& parameters, T* memory);

}  // namespace lorentznet::fused
