// Package testsystem gives tests of what stands on the machine the real C libraries that
// they run: opened once for all tests of a program, since reading and parsing them takes
// as long as a boot.
package testsystem
