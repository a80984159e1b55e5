from django.conf import settings

from openhands_site.workers.models import Worker


def test_every_queue_that_work_goes_to_is_served_by_one_worker() -> None:
    served = [queue for queues in settings.WORKER_QUEUES.values() for queue in queues]
    assert len(served) == len(set(served))
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert set(served) >= {*routed, settings.CELERY_TASK_DEFAULT_QUEUE, *settings.SWEEPS, *settings.WARM_UPS}


def test_a_worker_serves_the_queues_that_it_is_named_after() -> None:
    worker = Worker(name=Worker.name_of(["sandboxes", "default"]))
    assert worker.serves("sandboxes")
    assert worker.serves("default")
    assert not worker.serves("sand")
