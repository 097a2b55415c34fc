package emu

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// Floating point numbers come back as they are, and a float's upper half is not part
// of it.
func TestFloatResults(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		double := func(v float64) Arg { return Arg{math.Float64bits(v), true} }
		single := func(v float32) Arg { return Arg{uint64(math.Float32bits(v)), true} }
		for _, c := range []struct {
			fn   string
			args []Arg
			want float64
		}{
			{"ldexp", []Arg{double(1.5), {Value: 3}}, 12},
			{"copysign", []Arg{double(2), double(-1)}, -2},
			{"scalbn", []Arg{double(-0.75), {Value: 4}}, -12},
		} {
			must(t, p.CallWith(0, p.fn(c.fn), c.fn, c.args))
			got, err := p.FloatResult(0)
			if err != nil || math.Float64frombits(got) != c.want {
				t.Errorf("%s: %v, %v, want %v", c.fn, math.Float64frombits(got), err, c.want)
			}
		}
		must(t, p.CallWith(0, p.fn("ldexpf"), "ldexpf", []Arg{single(-1.5), {Value: 3}}))
		if got, err := p.FloatResult(0); err != nil || math.Float32frombits(uint32(got)) != -12 {
			t.Errorf("ldexpf: %#x, %v", got, err)
		}
	})
}

// Arguments of both kinds, in any order and of any number, are what snprintf writes:
// in registers, and on the stack when these are used up.
func TestArguments(t *testing.T) {
	random := randomness(t)
	eachSystem(t, func(t *testing.T, p *process) {
		buffer, err := p.Alloc(2048)
		must(t, err)
		format, err := p.Alloc(1024)
		must(t, err)
		for range 50 {
			args := words(buffer, 2048, format)
			var directives, want []string
			for range random.IntN(MaxArgs - len(args) + 1) {
				v := random.IntN(2000) - 1000
				if random.IntN(2) == 0 {
					args = append(args, Arg{math.Float64bits(float64(v) / 4), true})
					directives, want = append(directives, "%.2f"), append(want, fmt.Sprintf("%.2f", float64(v)/4))
				} else {
					args = append(args, Arg{Value: uint64(v)})
					directives, want = append(directives, "%ld"), append(want, fmt.Sprint(v))
				}
			}
			must(t, p.Write(0, format, append([]byte(strings.Join(directives, " ")), 0)))
			must(t, p.CallWith(0, p.fn("snprintf"), "snprintf", args))
			if got := p.text(buffer); got != strings.Join(want, " ") {
				t.Fatalf("%s: %s, want %s", strings.Join(directives, " "), got, strings.Join(want, " "))
			}
		}
	})
}
