package scenariolang

import (
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"

	"emurace/scenario"
)

// single is a number as an argument of C's type float. Starlark's own are doubles.
type single float32

func (s single) String() string        { return fmt.Sprintf("f32(%v)", starlark.Float(s)) }
func (s single) Type() string          { return "f32" }
func (s single) Freeze()               {}
func (s single) Truth() starlark.Bool  { return s != 0 }
func (s single) Hash() (uint32, error) { return starlark.Float(s).Hash() }

// makeSingle is f32(number).
func makeSingle(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var of starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &of); err != nil {
		return nil, err
	}
	f, err := float(of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return single(f), nil
}

// float is a value as a floating point number.
func float(v starlark.Value) (float64, error) {
	if s, ok := v.(single); ok {
		return float64(s), nil
	}
	f, ok := starlark.AsFloat(v)
	if !ok {
		return 0, fmt.Errorf("got %s, want a number", v.Type())
	}
	return f, nil
}

// results are the words for what a function returns when it is no number or address.
var results = map[string]scenario.Class{"float": scenario.Float, "double": scenario.Double}

// resultClass is what the argument result= of a call says.
func resultClass(v starlark.Value) (scenario.Class, error) {
	name, _ := starlark.AsString(v)
	if class, ok := results[name]; ok {
		return class, nil
	}
	return scenario.Word, fmt.Errorf(`result is %v, not "double" or "float"; all else is a number without it`, v)
}

// value is a result as the script sees it.
func value(bits uint64, class scenario.Class) starlark.Value {
	switch class {
	case scenario.Float:
		return starlark.Float(math.Float32frombits(uint32(bits)))
	case scenario.Double:
		return starlark.Float(math.Float64frombits(bits))
	case scenario.Word: // a number as it is
	}
	return starlark.MakeUint64(bits)
}

// cell is what the methods of a name ending in u8 to u64, f32 and f64 read or write.
type cell struct {
	size  uint64 // in bytes
	class scenario.Class
}

var cells = map[string]cell{
	"u8": {1, scenario.Word}, "u16": {2, scenario.Word}, "u32": {4, scenario.Word}, "u64": {8, scenario.Word},
	"f32": {4, scenario.Float}, "f64": {8, scenario.Double},
}

// bits is a value as a cell holds it.
func (c cell) bits(v starlark.Value, word func(starlark.Value) (uint64, error)) (uint64, error) {
	if c.class == scenario.Word {
		return word(v)
	}
	f, err := float(v)
	if c.class == scenario.Float {
		return uint64(math.Float32bits(float32(f))), err
	}
	return math.Float64bits(f), err
}

// noFloat is an error when an argument is a floating point number where an address or
// a number of another kind is wanted.
func noFloat(a scenario.Arg) error {
	if a.Class != scenario.Word {
		return errors.New("got a floating point number, want a number without a fraction")
	}
	return nil
}
