package unwind

import (
	"reflect"
	"strings"
	"testing"
)

// testCIE is what GCC makes on arm64, but for the initial rule of x19, which
// shows what DW_CFA_restore goes back to.
var testCIE = cie{codeAlign: 4, dataAlign: -8, returnColumn: 30, pointers: 0x1b,
	program: []byte("\x0c\x1f\x00\x93\x07")} // CFA = sp + 0, x19 at CFA - 56

// rowOf runs an FDE's program for the function [0x1000, 0x1100).
func rowOf(program string, at uint64, arm64 bool) (row, error) {
	f := fde{begin: 0x1000, end: 0x1100, cie: &testCIE, program: reader{data: []byte(program), vaddr: 0x8000}}
	return f.rowAt(at, arm64)
}

func TestRow(t *testing.T) {
	x19 := rule{kind: atOffset, offset: -56}
	base := func(change func(*row)) row {
		r := row{cfaRegister: 31}
		r.regs[19] = x19
		change(&r)
		return r
	}
	reg := func(n int, kind ruleKind, offset int64, expression string) row {
		return base(func(r *row) {
			r.regs[n] = rule{kind: kind, offset: offset}
			if expression != "" {
				r.regs[n].expression = []byte(expression)
			}
		})
	}
	unchanged := base(func(*row) {})
	for _, tc := range []struct {
		name, program string
		at            uint64
		want          row
	}{
		{"nothing", "", 0x1000, unchanged},
		{"nop", "\x00\x00", 0x1000, unchanged},
		{"offset", "\x94\x02", 0x1000, reg(20, atOffset, -16, "")},
		{"offset of a vector register", "\x05\x48\x02", 0x1000, unchanged},
		{"offset_extended", "\x05\x14\x02", 0x1000, reg(20, atOffset, -16, "")},
		{"offset_extended_sf", "\x11\x14\x7e", 0x1000, reg(20, atOffset, 16, "")},
		{"negative_offset_extended", "\x2f\x14\x02", 0x1000, reg(20, atOffset, 16, "")},
		{"val_offset", "\x14\x14\x02", 0x1000, reg(20, isOffset, -16, "")},
		{"val_offset_sf", "\x15\x14\x7e", 0x1000, reg(20, isOffset, 16, "")},
		{"undefined", "\x07\x1e", 0x1000, reg(30, undefined, 0, "")},
		{"same_value", "\x08\x14", 0x1000, reg(20, sameValue, 0, "")},
		{"register", "\x09\x1e\x0f", 0x1000, reg(30, inRegister, 15, "")},
		{"expression", "\x10\x14\x02\x31\x32", 0x1000, reg(20, atExpression, 0, "\x31\x32")},
		{"val_expression", "\x16\x14\x02\x31\x32", 0x1000, reg(20, isExpression, 0, "\x31\x32")},
		{"def_cfa", "\x0c\x1d\x20", 0x1000, base(func(r *row) { r.cfaRegister, r.cfaOffset = 29, 32 })},
		{"def_cfa_sf", "\x12\x1d\x7c", 0x1000, base(func(r *row) { r.cfaRegister, r.cfaOffset = 29, 32 })},
		{"def_cfa_register", "\x0d\x1d", 0x1000, base(func(r *row) { r.cfaRegister = 29 })},
		{"def_cfa_offset", "\x0e\x20", 0x1000, base(func(r *row) { r.cfaOffset = 32 })},
		{"def_cfa_offset_sf", "\x13\x7c", 0x1000, base(func(r *row) { r.cfaOffset = 32 })},
		{"def_cfa_expression", "\x0f\x01\x31", 0x1000, base(func(r *row) { r.cfaExpression = []byte{0x31} })},
		{"args_size", "\x2e\x80\x01", 0x1000, unchanged},

		{"before an advance", "\x42\x94\x02", 0x1007, unchanged},
		{"after an advance", "\x42\x94\x02", 0x1008, reg(20, atOffset, -16, "")},
		{"before advance_loc1", "\x02\x10\x94\x02", 0x103f, unchanged},
		{"after advance_loc1", "\x02\x10\x94\x02", 0x1040, reg(20, atOffset, -16, "")},
		{"before advance_loc2", "\x03\x10\x00\x94\x02", 0x103f, unchanged},
		{"after advance_loc2", "\x03\x10\x00\x94\x02", 0x1040, reg(20, atOffset, -16, "")},
		{"before advance_loc4", "\x04\x10\x00\x00\x00\x94\x02", 0x103f, unchanged},
		{"after advance_loc4", "\x04\x10\x00\x00\x00\x94\x02", 0x1040, reg(20, atOffset, -16, "")},
		// set_loc is relative to its operand here, which is at 0x8001.
		{"before set_loc", "\x01\x3f\x90\xff\xff\x94\x02", 0x103f, unchanged},
		{"after set_loc", "\x01\x3f\x90\xff\xff\x94\x02", 0x1040, reg(20, atOffset, -16, "")},

		{"restore what the CIE has", "\x93\x02\x41\xd3", 0x1004, unchanged},
		{"restore what the CIE has not", "\x94\x02\x41\xd4", 0x1004, unchanged},
		{"restore_extended", "\x94\x02\x41\x06\x14", 0x1004, unchanged},
		{"remember and restore", "\x94\x02\x0a\x94\x03\x0e\x20\x0b", 0x1000, reg(20, atOffset, -16, "")},
		{"negate_ra_state", "\x2d", 0x1000, base(func(r *row) { r.signed = true })},
		{"negate_ra_state twice", "\x2d\x2d", 0x1000, unchanged},
		{"a remembered signature", "\x2d\x0a\x2d\x0b", 0x1000, base(func(r *row) { r.signed = true })},
	} {
		got, err := rowOf(tc.program, tc.at, true)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestRowErrors(t *testing.T) {
	for _, tc := range []struct{ name, program, want string }{
		{"truncated operand", "\x94", "truncated"},
		{"truncated expression", "\x10\x14\x05\x31", "truncated"},
		{"truncated advance", "\x03\x01", "truncated"},
		{"unknown instruction", "\x3f", "unknown instruction 0x3f"},
		{"nothing remembered", "\x0b", "no state to restore"},
		{"too much remembered", strings.Repeat("\x0a", 33), "states remembered"},
	} {
		if _, err := rowOf(tc.program, 0x1000, true); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	if _, err := rowOf("\x2d", 0x1000, false); err == nil {
		t.Error("amd64 has no signed return addresses, but took the instruction for them")
	}
	// What comes after the address of interest is not looked at.
	if _, err := rowOf("\x41\x3f", 0x1000, true); err != nil {
		t.Errorf("an instruction beyond the address: %v", err)
	}
}
