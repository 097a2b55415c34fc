package loader

import (
	"debug/elf"
	"testing"
)

func TestArch(t *testing.T) {
	for _, tc := range []struct {
		name     string
		arch     Arch
		machine  elf.Machine
		platform string
	}{
		{"arm64", ARM64, elf.EM_AARCH64, "aarch64"},
		{"amd64", AMD64, elf.EM_X86_64, "x86_64"},
	} {
		for _, name := range []string{tc.name, tc.platform} {
			if got, err := ParseArch(name); err != nil || got != tc.arch {
				t.Errorf("ParseArch(%q) = %v, %v", name, got, err)
			}
		}
		if got := tc.arch.String(); got != tc.name {
			t.Errorf("String() = %q, want %q", got, tc.name)
		}
		if got := tc.arch.Machine(); got != tc.machine {
			t.Errorf("%v.Machine() = %v, want %v", tc.arch, got, tc.machine)
		}
		if got := tc.arch.platform(); got != tc.platform {
			t.Errorf("%v.Platform() = %q, want %q", tc.arch, got, tc.platform)
		}
		if got, ok := archOf(tc.machine); !ok || got != tc.arch {
			t.Errorf("archOf(%v) = %v, %v", tc.machine, got, ok)
		}
		if tc.arch.Interp() == "" || tc.arch.Triplet() == "" {
			t.Errorf("%v has no interpreter or no triplet", tc.arch)
		}
	}
}

func TestArchUnknown(t *testing.T) {
	for _, name := range []string{"", "ARM64", "arm", "i386", "riscv64", "arm64 "} {
		if got, err := ParseArch(name); err == nil {
			t.Errorf("ParseArch(%q) = %v, want an error", name, got)
		}
	}
	var none Arch
	if none.Machine() != elf.EM_NONE || none.platform() != "" || none.Interp() != "" || none.Triplet() != "" {
		t.Error("the zero Arch has properties")
	}
	if got := Arch(9).String(); got != "Arch(9)" {
		t.Errorf("Arch(9).String() = %q", got)
	}
}
