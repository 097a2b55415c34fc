package scenario

import (
	"math"
	"strconv"
	"strings"
)

// Class is the class of an argument or a result: what C passes in registers of its own.
type Class uint8

// The classes. A Word is a number or an address; Float and Double are C's types.
const (
	Word Class = iota
	Float
	Double
)

// Arg is an argument: a number or address, the bits of a float or double, or a string
// whose address is passed.
type Arg struct {
	Value uint64
	Class Class
	Text  string
	IsStr bool
}

// Int is a number or an address as an argument.
func Int(v uint64) Arg { return Arg{Value: v} }

// Float32 is an argument of the type float.
func Float32(v float32) Arg { return Arg{Value: uint64(math.Float32bits(v)), Class: Float} }

// Float64 is an argument of the type double.
func Float64(v float64) Arg { return Arg{Value: math.Float64bits(v), Class: Double} }

// Str is a string argument; it lies in the program's static data.
func Str(s string) Arg { return Arg{Text: s, IsStr: true} }

// floatText writes a floating point number as C does.
func floatText(bits uint64, class Class) string {
	v, size, suffix := math.Float64frombits(bits), 64, ""
	if class == Float {
		v, size, suffix = float64(math.Float32frombits(uint32(bits))), 32, "f"
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, size), "+"))
	}
	text := strconv.FormatFloat(v, 'g', -1, size)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text + suffix
}
