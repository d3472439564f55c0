from benchmarks.failure.compare import main

main()
